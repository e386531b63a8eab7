// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Branches} from "./Types.sol";

/// The tagged SHA-256 hashes of the state tree (BIP-340, "tagged hashes"), and the hash chains.
/// Each tag is sha256("sluice/1/<name>"), given twice before what it separates.
library Hash {
    bytes32 private constant LEAF = 0x332d8714fa48daaa1d5125b32d70ef7bce218c1fd7dbda9c60dba6f2144a1bc3;
    bytes32 private constant NODE = 0x4953c6aca760fe4eafa72caa14bffcb67d39a53c6a8b69878c4797d947cd3080;
    bytes32 private constant VALUE = 0x39baa20af130fb6ab81e917aae30d0c4fb735220d74a028472041bca681b4126;
    bytes32 private constant ROOT = 0xfa2216bd615b160cf3f1ff7cdb717c85312d8e90da7dadb8cd396b37a9749c44;
    bytes32 private constant OUTCOME = 0xedb32e81959b793019773e00a533e23349bc8a1a41bc5e441c32b9b9033a69e9;
    bytes32 private constant ANCHORS = 0x1a367edd7016a9373897397513f6bda4ec48c52b0a47a413cb1c5bc0bc74d21b;
    bytes32 private constant LANE = 0x08168ea8ea74a09a631feb8413d101f6b63605800f4acabbc056e47c7ce09adf;

    /// Levels of a tree over keys of 256 bits.
    uint256 private constant DEPTH_MAX = 256;

    /// More siblings than a key has bits.
    error BadProof();
    /// A precompile did not answer: out of gas, or no EVM.
    error NoHash();

    function outcome(bytes calldata encoded) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(OUTCOME, OUTCOME, encoded));
    }

    function outcomeOf(bytes memory encoded) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(OUTCOME, OUTCOME, encoded));
    }

    function root(Branches memory b) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(ROOT, ROOT, b.outcome, b.lanes, b.code, b.objects));
    }

    function anchors(bytes32[] memory nodes) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(ANCHORS, ANCHORS, nodes));
    }

    /// A lane's key in the tree; its first half tweaks the lane's chains.
    function laneKey(bytes32 channelId, uint64 lane) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(LANE, LANE, channelId, lane));
    }

    /// The root of the lanes' tree in which the encoded `lane` stands at `key`, next to `siblings`.
    function lanesRoot(bytes32 key, bytes calldata lane, bytes32[] calldata siblings)
        internal
        view
        returns (bytes32 node)
    {
        if (siblings.length > DEPTH_MAX) revert BadProof();
        bytes32 value = sha256(abi.encodePacked(VALUE, VALUE, lane));
        node = pair(LEAF, key, value);
        unchecked {
            // The deepest sibling is told apart by bit `depth` of the key, counted from its top.
            uint256 bits = uint256(key) >> (256 - siblings.length);
            for (uint256 depth = siblings.length; depth > 0; bits >>= 1) {
                bytes32 sibling = siblings[--depth];
                node = bits & 1 == 1 ? pair(NODE, sibling, node) : pair(NODE, node, sibling);
            }
        }
    }

    /// The tagged hash of two words: 128 bytes, beyond the free memory pointer.
    function pair(bytes32 tag, bytes32 left, bytes32 right) private view returns (bytes32 hash) {
        bool ok;
        assembly ("memory-safe") {
            let message := mload(0x40)
            mstore(message, tag)
            mstore(add(message, 0x20), tag)
            mstore(add(message, 0x40), left)
            mstore(add(message, 0x60), right)
            ok := staticcall(gas(), 2, message, 0x80, 0x00, 0x20)
            hash := mload(0x00)
        }
        if (!ok) revert NoHash();
    }

    /// The anchor that `index` steps from `node` lead to: node[i - 1] = sha256(tweak(i) ‖ node[i]), where a
    /// tweak is half the lane's key, the epoch u32, the digit u8 and the index u16: one block of 55 bytes.
    ///
    /// In scratch space a word that ends in the tweak lies before the node, so that a step is one store and
    /// one call. Sixteen steps a turn make a turn's jumps cheap; the rest goes one by one.
    function walk(bytes32 key, uint32 epoch, uint256 digit, uint256 index, bytes32 node)
        internal
        view
        returns (bytes32 anchor)
    {
        bool ok;
        assembly ("memory-safe") {
            let at := or(or(shl(56, shr(128, key)), shl(24, epoch)), or(shl(16, digit), index))
            mstore(0x20, node)
            ok := 1
            for { let turns := shr(4, index) } turns { turns := sub(turns, 1) } {
                mstore(0x00, at)
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 1))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 2))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 3))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 4))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 5))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 6))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 7))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 8))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 9))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 10))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 11))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 12))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 13))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 14))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                mstore(0x00, sub(at, 15))
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                at := sub(at, 16)
            }
            for { let rest := and(index, 15) } rest { rest := sub(rest, 1) } {
                mstore(0x00, at)
                ok := and(staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20), ok)
                at := sub(at, 1)
            }
            anchor := mload(0x20)
        }
        // A step that was not taken would leave the node where it was, and pass for a deeper one.
        if (!ok) revert NoHash();
    }
}
