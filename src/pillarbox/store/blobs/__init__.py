"""Message bytes on their way in and where the large ones stay."""
