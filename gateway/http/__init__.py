"""What every route is made of: who asks, bodies, answers, errors, limits."""
