"""Published vision-language models, in process or behind a server.

Reading, caching and one-token scores are shared; a family is one file.
Weights come from folders; nothing is fetched here.
More than fifteen files, as a family of models or a way to reach one is a file.
"""
