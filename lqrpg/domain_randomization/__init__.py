"""P2: descents on families of plants, discount annealing, and means over a family."""
