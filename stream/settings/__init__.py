"""What an operator writes in `config/`, checked and turned into frozen values."""
