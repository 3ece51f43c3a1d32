"""SpeechTokenizer, the speech codec of MIO and AnyGPT: 8 codes of 1,024 every 20 ms, and back."""
