// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

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

    function outcome(bytes memory encoded) internal view returns (bytes32) {
        return ofBytes(abi.encodePacked(OUTCOME, OUTCOME, encoded));
    }

    function root(bytes32 outcome_, bytes32 lanes, bytes32 code, bytes32 objects) internal view returns (bytes32) {
        return ofBytes(abi.encodePacked(ROOT, ROOT, outcome_, lanes, code, objects));
    }

    function anchors(bytes32[] memory nodes) internal view returns (bytes32) {
        return ofBytes(abi.encodePacked(ANCHORS, ANCHORS, nodes));
    }

    /// A lane's key in the tree; its first half tweaks the lane's chains.
    function laneKey(bytes32 channelId, uint64 lane) internal view returns (bytes32) {
        return ofBytes(abi.encodePacked(LANE, LANE, channelId, lane));
    }

    /// The root of the lanes' tree in which the encoded `lane` stands at `key`, next to `siblings`.
    function lanesRoot(bytes32 key, bytes calldata lane, bytes32[] calldata siblings)
        internal
        view
        returns (bytes32 node)
    {
        uint256 depth = siblings.length;
        if (depth > DEPTH_MAX) revert BadProof();
        bytes32 value = ofBytes(abi.encodePacked(VALUE, VALUE, lane));
        node = ofBytes(abi.encodePacked(LEAF, LEAF, key, value));
        bool ok = true;
        assembly ("memory-safe") {
            // NODE ‖ NODE ‖ left ‖ right, beyond the free memory pointer.
            let message := mload(0x40)
            mstore(message, NODE)
            mstore(add(message, 0x20), NODE)
            let left := add(message, 0x40)
            let right := add(message, 0x60)
            // The deepest sibling is told apart by bit `depth` of the key, counted from its top: 1 is right.
            for { let bits := shr(sub(256, depth), key) } depth { bits := shr(1, bits) } {
                depth := sub(depth, 1)
                let side := shl(5, and(bits, 1))
                mstore(add(left, side), node)
                mstore(sub(right, side), calldataload(add(siblings.offset, shl(5, depth))))
                ok := and(staticcall(gas(), 2, message, 0x80, 0x00, 0x20), ok)
                node := mload(0x00)
            }
        }
        if (!ok) revert NoHash();
    }

    /// As `sha256`, without copying the message once more.
    function ofBytes(bytes memory message) private view returns (bytes32 hash) {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 2, add(message, 0x20), mload(message), 0x00, 0x20)
            hash := mload(0x00)
        }
        if (!ok) revert NoHash();
    }

    /// The anchor that `index` steps from `node` lead to: node[i - 1] = sha256(tweak(i) ‖ node[i]), where a
    /// tweak is half the lane's key, the epoch u32, the digit u8 and the index u16: one block of 55 bytes.
    ///
    /// In scratch space a word that ends in the tweak lies before the node, so that a step is one store and
    /// one call, which puts the next node into place. The tweak, which ends in the index, falls by what the call
    /// returns: it gets to index 0 by `index` steps that were taken; one that was not is tried until gas is gone.
    /// Sixteen steps a turn make a turn's jumps cheap; the rest goes one by one.
    function walk(bytes32 key, uint32 epoch, uint256 digit, uint256 index, bytes32 node)
        internal
        view
        returns (bytes32 anchor)
    {
        assembly ("memory-safe") {
            let at := or(or(shl(56, shr(128, key)), shl(24, epoch)), or(shl(16, digit), index))
            mstore(0x20, node)
            for {} and(at, 0xfff0) {} {
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
            }
            for {} and(at, 0xffff) {} {
                mstore(0x00, at)
                at := sub(at, staticcall(gas(), 2, 0x09, 0x37, 0x20, 0x20))
            }
            anchor := mload(0x20)
        }
    }
}
