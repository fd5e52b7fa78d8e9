"""Every parser of what strangers send, under any bytes: `./run fuzz` guided by coverage, a slice of it in the tests."""
