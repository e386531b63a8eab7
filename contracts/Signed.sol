// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Claim, Seat, State} from "./Types.sol";

/// What is signed: EIP-712 typed data of the domain "Sluice", version "1". A signature has one form, r ‖ s ‖ v
/// with s in the lower half and v 27 or 28.
library Signed {
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant STATE =
        keccak256("State(bytes32 channelId,uint64 version,bytes32 root,uint8 kind)");
    bytes32 private constant CHALLENGE =
        keccak256("Challenge(bytes32 channelId,uint64 version,address account)");
    bytes32 private constant VOUCHER = keccak256(
        "Voucher(bytes32 channelId,uint64 lane,uint32 epoch,uint256 base,uint128 unit,uint8 digits,uint16 radix,uint16 length,bytes32 anchors,bytes32 context)"
    );

    uint256 private constant SIZE = 65;

    /// Signatures are one after the other, one for each seat, in seat order; `seat` did not make its own.
    error BadSignature(uint256 seat);

    function separator(uint256 chainId) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("Sluice"), keccak256("1"), chainId, address(this)));
    }

    function state(bytes32 domain, bytes32 id, State memory s) internal pure returns (bytes32) {
        return digest(domain, keccak256(abi.encode(STATE, id, s.version, s.root, s.kind)));
    }

    function challenge(bytes32 domain, bytes32 id, uint64 version, address account)
        internal
        pure
        returns (bytes32)
    {
        return digest(domain, keccak256(abi.encode(CHALLENGE, id, version, account)));
    }

    function voucher(
        bytes32 domain,
        bytes32 id,
        uint64 lane,
        Claim calldata c,
        uint256 digits,
        bytes32 anchors
    ) internal pure returns (bytes32) {
        return digest(
            domain,
            keccak256(
                abi.encode(
                    VOUCHER,
                    id,
                    lane,
                    c.epoch,
                    c.base,
                    c.unit,
                    digits,
                    c.radix,
                    c.length,
                    anchors,
                    c.context
                )
            )
        );
    }

    /// Reverts unless every seat signed `hash`.
    function byAll(bytes32 hash, Seat[] calldata seats, bytes calldata signatures) internal pure {
        if (signatures.length != seats.length * SIZE) revert BadSignature(seats.length);
        for (uint256 seat = 0; seat < seats.length; ++seat) {
            bytes calldata signature = signatures[seat * SIZE:(seat + 1) * SIZE];
            if (!isBy(hash, seats[seat].signer, signature)) revert BadSignature(seat);
        }
    }

    function isBy(bytes32 hash, address signer, uint8 v, bytes32 r, bytes32 s) internal pure returns (bool) {
        (address found, ECDSA.RecoverError problem,) = ECDSA.tryRecover(hash, v, r, s);
        return problem == ECDSA.RecoverError.NoError && found == signer;
    }

    function isBy(bytes32 hash, address signer, bytes calldata signature) internal pure returns (bool) {
        (address found, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(hash, signature);
        return problem == ECDSA.RecoverError.NoError && found == signer;
    }

    function digest(bytes32 domain, bytes32 structHash) private pure returns (bytes32 hash) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
