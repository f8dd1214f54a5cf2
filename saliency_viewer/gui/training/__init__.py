"""Training in the window: the run beside it, the form, the curves and the page that holds them."""
