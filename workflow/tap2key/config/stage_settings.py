"""Which settings of a section a stage takes, where it does not take all of them."""

# Representations of every pair's correlation, and of every channel's wave beside them.
PAIRS, PAIRS_WAVES = "pairs", "pairs_waves"
CORRELATED = (PAIRS, PAIRS_WAVES)
FOREST_KINDS = ("gcc_phat_forest", "level_forest", "mfcc_forest", "pairs_forest")
SVM_KIND = "pairs_svm"
MULTILATERATION = "multilateration"
LEARNED_GCC = "learned_gcc"
KINDS_OF_PAIRS = ("pairs_forest", SVM_KIND)
# Whatever their representation, they look for delays up to `array.max_delay_ms`.
KINDS_OF_DELAYS = ("gcc_phat_forest", LEARNED_GCC, MULTILATERATION)

# Of an experiment.
FOLD = ("test_fraction", "blocks", "validation", "training_fraction", "oversample")
# What determines a model besides its data, so that no other setting trains it again.
FOREST = ("kind", "trees", "max_features", "min_samples_leaf", "search")
SVM = ("kind", "svm", "search")
BASELINES = {**dict.fromkeys(FOREST_KINDS, FOREST), SVM_KIND: SVM, MULTILATERATION: ("kind",)}
BASELINE = tuple(dict.fromkeys((*FOREST, *SVM)))
NETWORK = ("kind", "model", "augmentation", "training", "search")
# Of `predict`, and of `segment` and `truth` for the same stage.
NAMING = ("confidence_threshold",)
FINDING = ("peak_height",)
HEARD = ("releases",)
# Of `launch`.
PROCESSES = ("nodes", "processes", "gpu")
STAGING = ("stage_to",)
# Of `decode`.
DECODING = ("language_models", "corpus", "language", "checkpoint", "beam")
