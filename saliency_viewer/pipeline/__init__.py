"""The only way to compute: one plan in, one result out, for the window, the command line and batches."""
