"""Floor 7: the doors. One room a protocol; a handler checks, asks one lower room, renders."""
