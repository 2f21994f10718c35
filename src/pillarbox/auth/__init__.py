"""Floor 5: who may come in, and as whom they may write."""
