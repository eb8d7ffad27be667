// phase_count: the phases of a nest's level 2, whose order is i2 = 0, xd, 2 xd, ..; 1, 1 + xd, ..
//
//   last_phase = min(n2, xd) - 1
//   one_x = n2 <= xd: a phase has one i2
//   one_phase = last_phase == 0
//
// n2 >= 1, xd 1 .. 7. Combinational, three LUTs deep, no carry chain. Cost: 15 LUTs.
`default_nettype none
module phase_count (
    input  wire [11:0] n2,
    input  wire [2:0]  xd,
    output wire [2:0]  last_phase,
    output wire        one_x,
    output wire        one_phase
);
    function [2:0] less_one;
        input [2:0] x;
        less_one = {x[2] ^ ~(x[1] | x[0]), ~(x[1] ^ x[0]), ~x[0]};
    endfunction

    // x < y, bit by bit
    function below;
        input [2:0] x;
        input [2:0] y;
        below = (!x[2] && y[2]) || ((x[2] == y[2]) && ((!x[1] && y[1])
            || ((x[1] == y[1]) && !x[0] && y[0])));
    endfunction

    wire one_digit = n2[11:3] == 9'd0;
    wire few = one_digit && below(n2[2:0], xd);

    assign last_phase = few ? less_one(n2[2:0]) : less_one(xd);
    assign one_x = one_digit && !below(xd, n2[2:0]);
    assign one_phase = xd == 3'd1 || (one_digit && n2[2:0] == 3'd1);
endmodule
`default_nettype wire
