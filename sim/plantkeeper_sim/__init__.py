"""The simulator: an ATmega328P, the chips of a PlantKeeper board, a plant, and the backend."""
