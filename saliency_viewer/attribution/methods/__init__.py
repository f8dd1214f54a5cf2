"""One file for each attribution method; METHODS lists them in the order users see."""
