"""The dialog that makes a model package from a checkpoint, and what speaks with the compute process for it."""
