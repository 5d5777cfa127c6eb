"""The encoders of sentence_transformers: dense, sparse and multi-vector embeddings, and rerankers."""
