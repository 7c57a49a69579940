lycoris version --color alwais
