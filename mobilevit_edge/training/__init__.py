"""Fine-tuning and training from scratch with MobileViT's multi-scale sampler."""
