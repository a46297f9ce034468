"""Int8: calibration on photos, exact preparation of the network, a quantiser for each target."""
