"""Where the nodes stand: Mininet Topo classes, and the one address plan."""
