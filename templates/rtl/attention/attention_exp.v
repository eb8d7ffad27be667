// EXP[p] = max(1, round(2**23 exp((p - 64) / 4))): the softmax numerator of popcount score p.
//
// Combinational ROM; p above 64 gives all ones, which no bound exceeds (attention_search).
// The test suite compares it with hwgen.engine.numerics.exp_table().
`default_nettype none
module attention_exp (
    input  wire [6:0]  p,
    output reg  [23:0] e
);
    always @* begin
        case (p)
            7'd0: e = 24'd1;
            7'd1: e = 24'd1;
            7'd2: e = 24'd2;
            7'd3: e = 24'd2;
            7'd4: e = 24'd3;
            7'd5: e = 24'd3;
            7'd6: e = 24'd4;
            7'd7: e = 24'd5;
            7'd8: e = 24'd7;
            7'd9: e = 24'd9;
            7'd10: e = 24'd12;
            7'd11: e = 24'd15;
            7'd12: e = 24'd19;
            7'd13: e = 24'd24;
            7'd14: e = 24'd31;
            7'd15: e = 24'd40;
            7'd16: e = 24'd52;
            7'd17: e = 24'd66;
            7'd18: e = 24'd85;
            7'd19: e = 24'd109;
            7'd20: e = 24'd140;
            7'd21: e = 24'd180;
            7'd22: e = 24'd231;
            7'd23: e = 24'd297;
            7'd24: e = 24'd381;
            7'd25: e = 24'd489;
            7'd26: e = 24'd628;
            7'd27: e = 24'd806;
            7'd28: e = 24'd1035;
            7'd29: e = 24'd1329;
            7'd30: e = 24'd1707;
            7'd31: e = 24'd2192;
            7'd32: e = 24'd2814;
            7'd33: e = 24'd3613;
            7'd34: e = 24'd4640;
            7'd35: e = 24'd5957;
            7'd36: e = 24'd7649;
            7'd37: e = 24'd9822;
            7'd38: e = 24'd12612;
            7'd39: e = 24'd16194;
            7'd40: e = 24'd20793;
            7'd41: e = 24'd26699;
            7'd42: e = 24'd34282;
            7'd43: e = 24'd44019;
            7'd44: e = 24'd56522;
            7'd45: e = 24'd72576;
            7'd46: e = 24'd93189;
            7'd47: e = 24'd119657;
            7'd48: e = 24'd153643;
            7'd49: e = 24'd197281;
            7'd50: e = 24'd253314;
            7'd51: e = 24'd325262;
            7'd52: e = 24'd417644;
            7'd53: e = 24'd536266;
            7'd54: e = 24'd688579;
            7'd55: e = 24'd884153;
            7'd56: e = 24'd1135275;
            7'd57: e = 24'd1457721;
            7'd58: e = 24'd1871751;
            7'd59: e = 24'd2403376;
            7'd60: e = 24'd3085996;
            7'd61: e = 24'd3962498;
            7'd62: e = 24'd5087948;
            7'd63: e = 24'd6533054;
            7'd64: e = 24'd8388608;
            default: e = 24'hffffff;
        endcase
    end
endmodule
`default_nettype wire
