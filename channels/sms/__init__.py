"""SMS: segments, plain text, and the gateways we speak to."""
