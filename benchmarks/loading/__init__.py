"""What loading a model package costs, for every form, against the library that the form comes from."""
