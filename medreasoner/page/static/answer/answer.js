// The model's answer; shared/answer_block.js shows it.
follow(showAnswer);
