"""Configuration: YAML in, frozen settings out, or one error that names everything that is wrong."""
