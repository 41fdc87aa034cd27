"""What plugins subclass, and the words that all share: fields, parameters, random streams, the identity of a run."""
