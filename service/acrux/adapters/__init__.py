"""One file per framework, each between that framework and `acrux.client`; they decide nothing. No service code."""
