"""A tokenizer of a few hundred entries, trained on the spot."""

SENTENCES = [
    "Image-1: A man walks along the river in warm light. Image-2: The same man stands still. Yes",
    "Image-1: Two dogs run over green grass. Image-2: A red car drives past the house. No",
    "Describe the two pictures in plain sentences. Answer yes or no. user assistant User: Assistant:",
    "yes no Yes No YES NO Is it one and the same scene? Words that can be read in a picture, report them.",
]


def tokenizer_with(special, **named):
    """A byte-level tokenizer that has learned a few sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, **named)
