// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Tokens as they should not be, and one that is only old. Each mints to anyone, and lets anyone take anything.
contract PlainToken {
    mapping(address => uint256) public balanceOf;

    function allowance(address, address) external view virtual returns (uint256) {
        return type(uint256).max;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function move(address from, address to, uint256 amount) internal virtual {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// Returns nothing, as tokens did before ERC-20 was final.
contract SilentToken is PlainToken {
    function transfer(address to, uint256 amount) external {
        move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        move(from, to, amount);
    }
}

contract BoolToken is PlainToken {
    function transfer(address to, uint256 amount) external virtual returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        move(from, to, amount);
        return true;
    }
}

/// Keeps a hundredth of all it moves.
contract FeeToken is BoolToken {
    function move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount / 100;
    }
}

/// Its balances grow when they are touched.
contract RebasingToken is BoolToken {
    function move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount + amount / 100;
    }
}

/// Approves nothing, and does not say so.
contract StubbornToken is BoolToken {
    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function allowance(address, address) external pure override returns (uint256) {
        return 0;
    }
}

/// Stopped by its owner.
contract PausedToken is BoolToken {
    bool private paused = true;

    function move(address from, address to, uint256 amount) internal override {
        require(!paused, "paused");
        super.move(from, to, amount);
    }
}

/// Says no, whatever it is asked.
contract FalseToken is BoolToken {
    function transfer(address, uint256) external pure override returns (bool) {
        return false;
    }
}

/// Calls back into the adjudicator in every transfer.
contract ReentrantToken is BoolToken {
    address public target;
    bytes public data;
    /// What the call back was refused with.
    bytes4 public reason;

    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function move(address from, address to, uint256 amount) internal override {
        super.move(from, to, amount);
        if (target == address(0)) return;
        (, bytes memory answer) = target.call(data);
        reason = bytes4(answer);
    }
}

/// Wallets that make it hard to pay them.
contract RevertingWallet {
    receive() external payable {
        revert("no");
    }

    /// Takes what was credited, to somewhere else.
    function pull(address adjudicator, address asset, address to) external {
        (bool ok, bytes memory reason) =
            adjudicator.call(abi.encodeWithSignature("pull(address,address)", asset, to));
        if (!ok) {
            assembly {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}

contract BurningWallet {
    uint256 private burnt;

    receive() external payable {
        while (true) ++burnt;
    }
}

/// Answers with more than anybody wants to copy.
contract BombWallet {
    receive() external payable {
        assembly {
            revert(0, 1000000)
        }
    }
}

/// Calls back when it is paid.
contract ReentrantWallet {
    address public target;
    bytes public data;
    /// What the call back was refused with.
    bytes4 public reason;

    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    receive() external payable {
        (, bytes memory answer) = target.call(data);
        reason = bytes4(answer);
    }
}

/// Pays a deposit: a wallet that is a contract.
contract FundingWallet {
    receive() external payable {}

    function run(address target, bytes calldata data, uint256 value) external {
        (bool ok, bytes memory reason) = target.call{value: value}(data);
        if (!ok) {
            assembly {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}
