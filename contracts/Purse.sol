// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// Money in and out: the native coin (asset zero) and ERC-20 tokens. Who cannot be paid is credited, and pulls;
/// nobody's payout waits for anybody else's.
abstract contract Purse is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    address internal constant NATIVE = address(0);
    /// Gas that a payout may burn: a token's transfer or a wallet's receipt takes far less.
    uint256 internal constant PAYOUT_GAS = 100_000;
    /// What has to be left before one, so that it gets all of that, and the credit can be written if it fails.
    /// Without this a caller who sends too little gas could have others credited instead of paid.
    uint256 private constant PAYOUT_GAS_LEFT = 160_000;

    /// What could not be paid, per account and asset.
    mapping(address account => mapping(address asset => uint256)) public credits;

    event Credited(address indexed account, address indexed asset, uint256 amount);
    event Pulled(address indexed account, address indexed asset, address to, uint256 amount);

    /// The native coin sent along is not what the call needs.
    error WrongValue(uint256 expected);
    /// The token moved more or less than it was asked to: a fee, or a rebase.
    error InexactToken(address asset);
    /// Too little gas was sent along for a payout.
    error LittleGas();
    error NothingToPull();
    error PullFailed();

    /// Sends what is credited to the caller, without a gas cap, wherever it says.
    function pull(address asset, address to) external nonReentrant {
        uint256 amount = credits[msg.sender][asset];
        if (amount == 0) revert NothingToPull();
        credits[msg.sender][asset] = 0;
        emit Pulled(msg.sender, asset, to, amount);
        if (!_send(asset, to, amount, gasleft())) revert PullFailed();
    }

    /// Takes `amount` of a token from the caller.
    function _take(address asset, uint256 amount) internal {
        uint256 before = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(msg.sender, address(this), amount);
        if (IERC20(asset).balanceOf(address(this)) - before != amount) revert InexactToken(asset);
    }

    /// Pays `amount` out, or credits it.
    function _pay(address asset, address to, uint256 amount) internal {
        if (amount == 0) return;
        if (gasleft() < PAYOUT_GAS_LEFT) revert LittleGas();
        if (_send(asset, to, amount, PAYOUT_GAS)) return;
        credits[to][asset] += amount;
        emit Credited(to, asset, amount);
    }

    /// Whether it arrived. No more than a word of what the other side returns is looked at or copied.
    function _send(address asset, address to, uint256 amount, uint256 gasMax) private returns (bool ok) {
        assembly ("memory-safe") {
            switch asset
            case 0 { ok := call(gasMax, to, amount, 0, 0, 0, 0) }
            default {
                let message := mload(0x40)
                mstore(message, 0xa9059cbb00000000000000000000000000000000000000000000000000000000) // transfer
                mstore(add(message, 0x04), shr(96, shl(96, to)))
                mstore(add(message, 0x24), amount)
                mstore(0x00, 0)
                ok := call(gasMax, asset, 0, message, 0x44, 0x00, 0x20)
                // It returned true, or, being a contract, nothing at all.
                switch returndatasize()
                case 0 { ok := and(ok, gt(extcodesize(asset), 0)) }
                default { ok := and(ok, eq(mload(0x00), 1)) }
            }
        }
    }
}
