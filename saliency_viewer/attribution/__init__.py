"""Attribution maps: one engine that runs the network, one file for each method."""
