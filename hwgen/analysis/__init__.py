"""What a network costs and how faithful its integers are, without any hardware."""
