// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// The flat part of a state, read where it lies in calldata: seats u8 ‖ assets u8 ‖ nextLane u64, then per seat
/// and asset balance ‖ deposited ‖ withdrawn ‖ pot, 32 bytes each.
library Outcome {
    uint256 private constant HEAD = 10;
    uint256 private constant CELL = 128;

    /// Its size is not that of the channel's seats and assets.
    error BadOutcome();

    struct Cell {
        uint256 balance;
        uint256 deposited;
        uint256 withdrawn;
        uint256 pot;
    }

    function check(bytes calldata outcome, uint256 seats, uint256 assets) internal pure {
        if (outcome.length != HEAD + CELL * seats * assets) revert BadOutcome();
        if (uint8(outcome[0]) != seats || uint8(outcome[1]) != assets) revert BadOutcome();
    }

    /// The cell at `index`, seat by seat; of an outcome that `check` has passed.
    function cell(bytes calldata outcome, uint256 index) internal pure returns (Cell memory c) {
        assembly ("memory-safe") {
            calldatacopy(c, add(outcome.offset, add(HEAD, mul(index, CELL))), CELL)
        }
    }

    /// balance + pot + (deposited here − in the state) − (withdrawn here − in the state), exact even where
    /// a state that cannot be kept makes the sums leave a word: then the most or the least there is.
    /// `negative` tells when the least was less than nothing.
    function due(Cell memory c, uint256 deposited, uint256 withdrawn)
        internal
        pure
        returns (uint256 amount, bool negative)
    {
        unchecked {
            uint256 high;
            uint256 sum = c.balance;
            (sum, high) = add(sum, c.pot, high);
            (sum, high) = add(sum, deposited, high);
            (sum, high) = add(sum, c.withdrawn, high);
            (uint256 less, uint256 lessHigh) = add(c.deposited, withdrawn, 0);
            if (high < lessHigh || (high == lessHigh && sum < less)) return (0, true);
            amount = sum - less;
            high = high - lessHigh - (sum < less ? 1 : 0);
            if (high > 0) amount = type(uint256).max;
        }
    }

    function add(uint256 a, uint256 b, uint256 carries) private pure returns (uint256 sum, uint256 high) {
        unchecked {
            sum = a + b;
            high = sum < a ? carries + 1 : carries;
        }
    }
}
