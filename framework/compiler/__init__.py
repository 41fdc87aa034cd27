"""Update rules as compiled loops: the rule as operations, those as LLVM code, that as machine code in a cache."""
