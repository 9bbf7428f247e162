"""Recommendations learned from ratings of one to five stars: order of items (NDCG) against FLOPs.

    optnas run studies/recommending.py --trials 20

This takes about a minute of one CPU core. 300 users have rated 48 of 200 items each, by taste: items are
better or worse, and of kinds that users like more or less. A network gets a user's and an item's number and
says what the one gives to the other; NDCG asks whether the items that a user likes, of four stars or more,
are among the first five. Any order has 0.49, that by popularity 0.67, which the run prints beside the front.
Expect a front from 144 FLOPs at 0.85 to 600 at 0.88, all of it better than popularity: embeddings of four
numbers and a layer. Give your own ratings as ``data.tensors({"user": …, "item": …}, stars, kinds="ids",
targets="values")``, users and items numbered from 0 on. Of what ``optnas train`` wrote, the five items that
user 3 will like best are ``optnas.load(folder).predict({"user": np.full(200, 3), "item": np.arange(200)})
.rating.nlargest(5)``.
"""

import numpy as np

from optnas import Study, Training, choose, data, maximize, minimize, ops, real, repeat, tasks

USERS, ITEMS = 300, 200


def ratings(each=48, genres=4):
    """Return users, items and the users' ratings of them, 1 to 5, all of shape (300 · each,)."""
    rng = np.random.default_rng(0)
    tastes, kinds = rng.normal(0, 1, (USERS, genres)), rng.normal(0, 0.5, (ITEMS, genres))
    quality, mildness = rng.normal(0, 0.5, ITEMS), rng.normal(0, 0.5, USERS)
    user = np.repeat(np.arange(USERS), each)
    item = np.concatenate([rng.choice(ITEMS, each, replace=False) for _ in range(USERS)])
    liked = 3 + mildness[user] + quality[item] + (tastes[user] * kinds[item]).sum(axis=1)
    return user, item, np.clip(np.round(liked + rng.normal(0, 0.4, len(user))), 1, 5)


user, item, stars = ratings()
width = choose(4, 8, 16, 32, name="width")
both = ops.branch(
    ops.seq(ops.input("user"), ops.embedding(width, vocabulary=USERS)),
    ops.seq(ops.input("item"), ops.embedding(width, vocabulary=ITEMS)),
    merge=choose("mul", "concat", name="merge"),
)
layer = ops.seq(ops.linear(choose(8, 16, 32, name="features")), ops.relu())

study = Study(
    name="recommending",
    space=ops.seq(both, repeat(layer, 1, 2, name="layer"), ops.head()),
    task=tasks.recommending(
        data.tensors({"user": user, "item": item}, stars, kinds="ids", targets="values", name="ratings"),
        first=5,
        relevant=4,
    ),
    objectives=[maximize("ndcg"), minimize("flops")],
    training=Training(
        epochs=27, batch_size=128, lr=real(1e-3, 3e-2, log=True), weight_decay=real(2e-4, 3e-3, log=True)
    ),
)
