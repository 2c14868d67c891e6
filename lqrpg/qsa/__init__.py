"""P3, quasi-stochastic approximation: the ODE and its probing signals, rates, and policies from one trajectory."""
