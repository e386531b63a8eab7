// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// What callers bring, in the shapes that `docs/PROTOCOL.md` gives them. Nothing here is stored.

/// A participant: only `signer` judges; money goes to `payout`, a wallet of any kind.
struct Seat {
    address signer;
    address payout;
}

/// What a channel's id is the hash of, beside the chain and the adjudicator.
struct Parameters {
    Seat[] seats;
    address[] assets;
    uint256[][] deposits;
    uint256 fundBy;
    uint256 challengePeriod;
    bytes32 codeHash;
    bytes32 salt;
}

/// A state that every seat signed, its root's preimage left out.
struct State {
    uint64 version;
    uint8 kind;
    bytes32 root;
}

/// What a root commits to: the flat outcome, and the roots of three trees.
struct Preimage {
    bytes outcome;
    bytes32 lanes;
    bytes32 code;
    bytes32 objects;
}

/// A payer's stream of money to a payee; see `Lanes` for its encoding.
struct Lane {
    uint64 id;
    uint8 payer;
    uint8 payee;
    uint8 asset;
    uint256 folded;
    uint256 reserved;
    address sessionKey;
}

/// An encoded lane under a root: its siblings from the top of the tree down, and what lies beside that tree.
struct Leaf {
    bytes lane;
    bytes32[] siblings;
    bytes32 outcome;
    bytes32 code;
    bytes32 objects;
}

/// The deepest node that one digit revealed; at index 0 that is the anchor.
struct Tick {
    uint256 index;
    bytes32 node;
}

/// A voucher with its deepest nodes. The anchors are not brought: walking the ticks finds them.
struct Claim {
    uint32 epoch;
    uint256 base;
    uint128 unit;
    uint16 radix;
    uint16 length;
    bytes32 context;
    Tick[] ticks;
    bytes32 r;
    bytes32 s;
    uint8 v;
}
