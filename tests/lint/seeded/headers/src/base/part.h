/* part.h - included several times */
part(x)
