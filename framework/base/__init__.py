"""Base classes of plugins, and the types they share: fields, parameters, random streams, the identity of a run."""
