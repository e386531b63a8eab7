// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// Play money for demos and tests: anyone mints as much as they like.
contract PlayToken is ERC20 {
    constructor() ERC20("Sluice play money", "PLAY") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
