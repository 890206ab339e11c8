"""How to cite the software and the papers that it implements."""

BIBTEX = """\
@software{lgvsc,
  title   = {lgvsc: large-model-driven generative video semantic communication, end to end},
  author  = {{The lgvsc maintainers}},
  version = {0.1.0},
  license = {Apache-2.0}
}

@article{ma2026lgvsc,
  title         = {{LGVSC}: A Large-Model-Driven Generative Video Semantic Communication Framework},
  author        = {Ma, Yu and Yin, Hang and Qiao, Li and Sun, Shuo and Gao, Zhen and Xu, Yin and Zhang, Wenjun},
  journal       = {IEEE Transactions on Vehicular Technology},
  year          = {2026},
  note          = {accepted},
  eprint        = {2606.12899},
  archivePrefix = {arXiv}
}

@article{yin2026gvsc,
  title         = {Generative Video Semantic Communication via Multimodal Semantic Fusion with Large Model},
  author        = {Yin, Hang and Qiao, Li and Ma, Yu and Sun, Shuo and Li, Kan and Gao, Zhen and Niyato, Dusit},
  journal       = {IEEE Transactions on Vehicular Technology},
  volume        = {75},
  number        = {1},
  pages         = {1701--1706},
  year          = {2026},
  eprint        = {2502.13838},
  archivePrefix = {arXiv}
}
"""
