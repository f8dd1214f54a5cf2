"""The panels round the viewports. Each reads the state and sends intents; none knows another."""
