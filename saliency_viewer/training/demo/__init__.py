"""The networks of the built-in demo: how they were trained on phantoms, and how good they are."""
