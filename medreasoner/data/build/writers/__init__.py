"""What writes the words of a set: questions and reasonings."""
