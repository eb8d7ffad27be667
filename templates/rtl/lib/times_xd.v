// times_xd: y = s xd modulo 2**WIDTH, for the 3-bit order step xd. Combinational, two adders.
`default_nettype none
module times_xd #(
    parameter WIDTH = 14
) (
    input  wire [WIDTH-1:0] s,
    input  wire [2:0]       xd,
    output wire [WIDTH-1:0] y
);
    assign y = (s & {WIDTH{xd[0]}})
        + ({s[WIDTH-2:0], 1'b0} & {WIDTH{xd[1]}})
        + ({s[WIDTH-3:0], 2'b00} & {WIDTH{xd[2]}});
endmodule
`default_nettype wire
