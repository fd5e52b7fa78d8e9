"""Reading the QR or bar code of a slip with the camera of this device."""
