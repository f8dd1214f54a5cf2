"""Progress and cancellation, seeds, devices, shipped files and safe writing: what every layer may use."""
