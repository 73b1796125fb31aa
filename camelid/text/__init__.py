"""Words into numbers and back: records, readers, tokenizer, chat template, token shards."""
