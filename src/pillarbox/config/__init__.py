"""Floor 8, lowest step: one TOML file becomes typed, checked values."""
