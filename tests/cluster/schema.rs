//! Schema and CEL: what the API server refuses by itself, and in which words.
