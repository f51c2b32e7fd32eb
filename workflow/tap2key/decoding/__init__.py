"""Named taps to text: language models, the decoder, and the measures of text entry."""
