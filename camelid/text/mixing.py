"""How much of what: shares of languages in a mix, as pure functions of sizes.

UniMax comes from Chung et al., "UniMax: Fairer and More Effective Language Sampling for Large-Scale
Multilingual Pretraining" (arXiv:2304.09151).
"""

from collections.abc import Mapping

from camelid.errors import RecipeError


def unimax(sizes: Mapping[str, float], budget: float, max_epochs: float) -> dict[str, float]:
    """Return how many tokens of the budget each language gets: equal parts, but none over max_epochs.

    sizes: tokens there are of each language. The sum falls short of the budget only when every language is at
    its cap.

    Raises RecipeError for a negative size or budget, or max_epochs that is not above 0.
    Source: arXiv:2304.09151, section 3, Algorithm 1.
    """
    if budget < 0 or any(size < 0 for size in sizes.values()):
        raise RecipeError(
            f"Sizes and the budget must not be negative; found budget={budget}, sizes={dict(sizes)}."
        )
    if max_epochs <= 0:
        raise RecipeError(f"max_epochs must be above 0; found {max_epochs}.")
    shares: dict[str, float] = {}
    left = float(budget)
    smallest_first = sorted(sizes, key=lambda lang: (sizes[lang], lang))
    for index, lang in enumerate(smallest_first):
        equal = left / (len(smallest_first) - index)
        shares[lang] = min(equal, max_epochs * sizes[lang])
        left -= shares[lang]
    return {lang: shares[lang] for lang in sizes}
