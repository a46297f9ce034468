"""From PyTorch to what runs on a phone: one converter per target."""
